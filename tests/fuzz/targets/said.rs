//! What persons type or copy: codes, commands, configurations.

use std::path::Path;

use daybook_agent::{
    config::{Config, valid_centre},
    control::{VERSION, understand},
    reference,
};
use daybook_protocol::{event::Register, invite::Invite};

/// A one-time code as it is typed: what is taken is what was printed.
pub(super) fn invite(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(invite) = text.parse::<Invite>() else { return };
    let printed = invite.to_string();
    assert_eq!(printed.parse(), Ok(invite));
    let letters = |text: &str| -> String {
        text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect::<String>().to_ascii_uppercase()
    };
    assert_eq!(letters(text), letters(&printed), "a code is written in one way only");
}

/// The first line of a connection to a running agent, an at sign for the program's version: what is understood can be said
/// again and is then the same.
pub(super) fn request(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'@').unwrap_or(data.len());
    let (front, back) = data.split_at(at);
    let line = [front, VERSION.as_bytes(), back.get(1..).unwrap_or_default()].concat();
    match understand(&line) {
        Ok(asked) => {
            let again = serde_json::to_vec(&asked).expect("JSON");
            assert_eq!(understand(&again).as_ref(), Ok(&asked));
        }
        Err(why) => assert!(why.starts_with("daybook: ") && why.len() < 200, "{why}"),
    }
}

/// A configuration: what is taken has folders that can be told apart, and centres that are centres.
pub(super) fn config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match Config::parse(text, Path::new("/base")) {
        Ok(config) => {
            for (place, folder) in config.folders.iter().enumerate() {
                assert!(folder.path.is_absolute() && !folder.name.is_empty());
                assert!(valid_centre(&folder.centre) != folder.pattern().is_some());
                let (earlier, _) = config.folders.split_at(place);
                assert!(earlier.iter().all(|other| other.name != folder.name && other.path != folder.path));
            }
            assert!(config.agent.free_bytes_min >= daybook_agent::config::INTAKE_BYTES_MIN);
        }
        Err(why) => assert!(!why.is_empty()),
    }
}

/// A register, of centres where the first byte is odd: what is read is read the same way twice, and what is refused says where.
pub(super) fn register(data: &[u8]) {
    let Some((which, file)) = data.split_first() else { return };
    let register = if which % 2 == 1 { Register::Centres } else { Register::Qualifications };
    let read = reference::read(register, file);
    assert_eq!(read, reference::read(register, file), "what is read does not depend on chance");
    match read {
        Ok(read) => assert!(read.rows > 0 && read.content.register() == register),
        Err(refused) => {
            assert!((1..=reference::FAULTS_MAX).contains(&refused.faults.len()));
            let all = file.len() as u64 + 1;
            assert!(refused.faults.iter().all(|fault| (1..=all).contains(&fault.line) && !fault.what.is_empty()));
        }
    }
}
