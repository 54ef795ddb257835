//! Configurations, good and bad.

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("/base"))
}

/// Goal: what is meant is what is set, and what is mistyped is refused with its name. Method: one good and some bad.
#[test]
fn a_mistake_is_named() {
    let folder = "[[folder]]\nname = \"a\"\npath = \"drop/a\"\ncentre = \"C1\"\n";
    let config = parse(&format!("{folder}answer_after = \"mirrored\"\n")).expect("a good configuration");
    let first = config.folders.first().expect("one folder");
    assert_eq!((first.drop(), first.answer_after), (PathBuf::from("/base/drop/a/in"), Level::Mirrored));
    assert_eq!((first.quiet_seconds, first.expects(Kind::Returns)), (10, true));
    assert!(parse("").is_ok());
    let pattern = "[[folder]]\nname = \"p\"\npath = \"all/{centre}/drop\"\n";
    for (wrong, word) in [
        (format!("{pattern}centre = \"C1\"\n"), "name the centres"),
        (format!("{pattern}{}", folder.replace("\"a\"", "\"p/C7\"")), "one of pattern"),
        (format!("{}{pattern}", folder.replace("\"a\"", "\"p/C7\"")), "one of pattern"),
        (folder.replace("\"a\"", &format!("\"{}\"", "x".repeat(65))), "at most 64"),
        (pattern.replace("\"p\"", &format!("\"{}\"", "x".repeat(60))), "shorter"),
        (format!("{folder}quite_seconds = 3\n"), "quite_seconds"),
        (format!("{folder}{folder}"), "two folders"),
        (format!("{folder}kinds = [\"reversals\"]\n"), "only from an operator"),
        (format!("{folder}headings = {{ Ref = \"ulm\" }}\n"), "ulm"),
        (format!("{folder}headings = {{ Ref = \"line\" }}\n"), "no column"),
        (format!("{folder}values = {{ file_name = {{ a = \"b\" }} }}\n"), "no column"),
        (folder.replace("C1", "../x"), "centre"),
        (format!("{folder}answer_after = \"never\"\n"), "answer_after"),
        ("[policy]\ntwo_person = [\"voids\"]\n".to_owned(), "another one"),
        ("[policy]\ntwo_person_release = [\"4S-001\"]\n".to_owned(), "4S-001 is not"),
        ("[central]\nlisten = \"7310\"\n".to_owned(), "0.0.0.0:7310"),
    ] {
        let why = parse(&wrong).expect_err("a wrong configuration");
        assert!(why.contains(word), "{why}");
    }
}

/// Goal: a pattern stands for the directories that are there, and a name leads back to its folder. Method: directories with
/// names of centres and others, a file, a link; names of folders that are there and of none.
#[test]
fn a_pattern_stands_for_its_directories() {
    let base = tempfile::tempdir().expect("a directory");
    for name in ["C2/drop", "C1/drop", "not one", "much_too_long_for_one"] {
        fs::create_dir_all(base.path().join("all").join(name)).expect("made");
    }
    fs::write(base.path().join("all/C3"), "no directory").expect("written");
    std::os::unix::fs::symlink(base.path(), base.path().join("all/C4")).expect("linked");
    let text = "[[folder]]\nname = \"p\"\npath = \"all/{centre}/drop\"\nbrand = \"B\"\n\
                [[folder]]\nname = \"a\"\npath = \"a\"\ncentre = \"C1\"\n";
    let config = Config::parse(text, base.path()).expect("a good configuration");
    let places = config.places();
    let told = |folder: &Folder| (folder.name.clone(), folder.centre.clone(), folder.brand.clone(), folder.drop());
    let all = base.path().join("all");
    let expected = [
        ("a".into(), "C1".into(), String::new(), base.path().join("a/in")),
        ("p/C1".into(), "C1".into(), "B".into(), all.join("C1/drop/in")),
        ("p/C2".into(), "C2".into(), "B".into(), all.join("C2/drop/in")),
    ];
    assert_eq!(places.iter().map(told).collect::<Vec<_>>(), expected);
    for place in &places {
        assert_eq!(config.folder(&place.name).as_ref().map(told), Some(told(place)));
    }
    assert_eq!(config.folder("p/C9").map(|folder| folder.path), Some(all.join("C9/drop")), "gone since");
    assert!(config.folder("p").is_none() && config.folder("p/no centre").is_none());
}
