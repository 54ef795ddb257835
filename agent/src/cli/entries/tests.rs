use daybook_protocol::{
    entry::Sealed,
    event::{Completion, FileId, FileReceived, LearnerWithdrawn, RowHeld, WithdrawalReason},
    field::Kind,
    ids::{Epoch, KeyId, RegistrationNo},
};

use super::*;

fn withdrawal() -> Entry {
    let learner = KeyId { epoch: Epoch(1), number: 7 };
    Entry {
        sequence: Sequence(812),
        recorded_at: Timestamp(1_795_269_802_000_001),
        effective_on: Date::new(2013, 10, 1),
        actor: Actor::Operator("jo".to_owned()),
        source: Source::Row { arrival: Sequence(800), line: 17 },
        governed_by: Sequence(1),
        findings: vec![Finding::of(Code::ULN_CLEANED, Field::Uln)],
        event: Event::LearnerWithdrawn(LearnerWithdrawn {
            registration: RegistrationNo { epoch: Epoch(1), sequence: Sequence(400) },
            learner,
            reason: WithdrawalReason::LeftCourse,
            last_attended_on: None,
        }),
        sealed: Some(Sealed { key: learner, nonce: [0; 24], ciphertext: vec![0; 32] }),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "what opens a sealed part can fail")]
fn opened(_: &Entry) -> Result<Option<Private>, String> {
    Ok(Some(Private::from([(Field::FamilyName, "O\u{1b}[2Jkafor"), (Field::Notes, "said \"so\"")])))
}

/// Goal: the object that scripts rely on keeps its members and their order, with and without what is personal.
/// Method: golden text.
#[test]
fn an_entry_is_an_object_of_known_members() {
    let entry = withdrawal();
    let clear = concat!(
        r#"{"sequence":812,"recorded_at":"2026-11-21T14:03:22.000001Z","effective_on":"2013-10-01","#,
        r#""type":"LearnerWithdrawn","registration":"R1-400","learner":"K1-7","reason":"LEFT_COURSE","last_attended_on":null,"#,
        r#""source":{"kind":"row","arrival":800,"line":17,"#,
        r#""sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"#,
        r#""actor":{"operator":"jo"},"governed_by":1,"#,
        r#""findings":[{"code":"2L-005","severity":"warning","field":"uln","meaning":"ULN cleaned of stray characters"}]"#,
    );
    let sha256 = |arrival| (arrival == Sequence(800)).then(|| Digest::of(b""));
    let hidden = json(&entry, &Look { sha256: &sha256, reveal: None }).expect("an object");
    assert_eq!(hidden, format!("{clear}}}"));
    let shown = json(&entry, &Look { sha256: &sha256, reveal: Some(&opened) }).expect("an object");
    let private = r#","private":{"family_name":"O\u001b[2Jkafor","notes":"said \"so\""}}"#;
    assert_eq!(shown, format!("{clear}{private}"));
    let forgotten = |_: &Entry| Err("its key was destroyed".to_owned());
    let forgotten = json(&entry, &Look { sha256: &sha256, reveal: Some(&forgotten) }).expect("an object");
    assert_eq!(forgotten, format!("{clear},\"private_error\":\"its key was destroyed\"}}"));
}

/// Goal: no event's own field hides one of the entry's. Method: an event with many fields; every member name once.
#[test]
fn members_do_not_collide() {
    let mut entry = withdrawal();
    entry.event = Event::FileReceived(FileReceived {
        folder: "north".to_owned(),
        centre: "12345".to_owned(),
        brand: String::new(),
        kind: Some(Kind::Withdrawals),
        sha256: Digest::of(b""),
        bytes: 3,
        file_id: FileId { device: 1, number: 2 },
        modified_at: Timestamp(0),
        completed_by: Completion::Quiet,
        key: KeyId { epoch: Epoch(1), number: 8 },
        same_as: None,
    });
    let text = json(&entry, &Look::NOTHING).expect("an object");
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).expect("an object");
    assert_eq!(members.len(), 8 + 11, "{text}");
    assert_eq!(members.get("source"), Some(&serde_json::json!({"kind": "row", "arrival": 800, "line": 17})));
}

/// Goal: one line says what happened and cannot move the cursor. Method: golden text, with a hostile name revealed.
#[test]
fn an_entry_is_one_line() {
    let entry = withdrawal();
    let clear = "     812  2026-11-21 14:03:22Z  LearnerWithdrawn  R1-400 learner K1-7, LEFT_COURSE  effective 2013-10-01  \
                 from line 17 of file 800, operator jo  [2L-005 uln]";
    assert_eq!(line(&entry, &Look::NOTHING), clear);
    let shown = line(&entry, &Look { sha256: &|_| None, reveal: Some(&opened) });
    assert_eq!(shown, format!("{clear}  family_name=O\u{fffd}[2Jkafor  notes=said \"so\""));
}

/// Goal: whoever has to decide sees why, and the commands to decide with. Method: golden text.
#[test]
fn what_is_held_is_told_in_full() {
    let mut entry = withdrawal();
    entry.actor = Actor::Agent;
    entry.effective_on = None;
    entry.event = Event::RowHeld(RowHeld { kind: Kind::Withdrawals, learner: None, against: Some(Sequence(790)) });
    entry.findings = vec![Code::BREAKS_LATER_FACT.into()];
    assert_eq!(
        held(&entry, &Look::NOTHING).join("\n"),
        "812  RowHeld\n  \
           recorded   2026-11-21 14:03:22Z\n  \
           source     from line 17 of file 800\n  \
           about      withdrawals against 790\n  \
           why        4S-023: would contradict a later fact\n             \
                      A person is looking at it: something already recorded with a later date would no longer be possible.\n  \
           sealed     --reveal shows what is personal about it\n  \
           decide     daybook held release 812 --reason TEXT, or daybook held refuse 812 --reason TEXT"
    );
}
