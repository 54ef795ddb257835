//! Both ends of the socket, spoken to by each other and by hand.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::PathBuf,
    sync::{
        Arc, Barrier,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
};

use clap::Parser as _;
use tempfile::TempDir;

use super::*;
use crate::{
    cli::{Cli, Command, Offered, screen::Kept},
    home::Home,
};

/// Does what a test tells it.
struct Office<F>(F);

impl<F> Handler for Office<F>
where
    F: Fn(Request, &mut dyn Files, &User, &mut dyn Screen) -> io::Result<Exit> + Send + Sync,
{
    fn perform(&self, request: Request, files: &mut dyn Files, user: &User, screen: &mut dyn Screen) -> Exit {
        self.0(request, files, user, screen).unwrap_or(Exit::CouldNot)
    }
}

fn office<F>(perform: F) -> (TempDir, Home, Control)
where
    F: Fn(Request, &mut dyn Files, &User, &mut dyn Screen) -> io::Result<Exit> + Send + Sync + 'static,
{
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path());
    let control = serve(&home, Arc::new(Office(perform))).expect("served");
    (directory, home, control)
}

fn request(words: &[&str]) -> Request {
    let typed = Cli::try_parse_from(["daybook"].iter().chain(words)).expect("a command");
    Request::new(&typed.globals, typed.command)
}

fn asked(home: &Home, words: &[&str]) -> (Result<Option<Exit>, ControlError>, Kept) {
    let mut screen = Kept::default();
    (ask(home, &request(words), &mut screen), screen)
}

/// Sends bytes by hand and gives all that comes back.
fn by_hand(home: &Home, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(home.socket()).expect("connected");
    // The other end may have heard enough before the last byte; its answer then ends as if it were cut off.
    let _ = stream.write_all(bytes);
    BufReader::new(stream).lines().map_while(Result::ok).fold(String::new(), |answer, line| answer + &line + "\n")
}

/// Goal: a command and its switches arrive as they were typed, with the user who typed it, and every kind of word comes back in
/// order.
/// Method: an office that says one of each.
#[test]
fn a_command_goes_there_and_its_words_come_back() {
    let (_directory, home, control) = office(|request, _, user, screen| {
        screen.progress(1, 2, "rows");
        screen.out("first")?;
        screen.note("by the way");
        screen.out(&format!("{} {:?} {}", request.json, request.command.operator(), user.name))?;
        screen.out("\u{e9}\n\"")?;
        let wanted = matches!(request.command, Command::Held { .. });
        Ok(if wanted { Exit::Problem } else { Exit::CouldNot })
    });
    let (exit, screen) = asked(&home, &["held", "refuse", "7", "--reason", "no", "--operator", "jo", "--json"]);
    assert_eq!(exit.expect("answered"), Some(Exit::Problem));
    let signed = format!("true Some(\"jo\") {}", own_user(&home).name);
    assert_eq!(screen.out, ["first", signed.as_str(), "\u{e9}\n\""]);
    assert_eq!(screen.notes, ["by the way"]);
    assert_eq!(screen.progress, Some((1, 2, "rows".to_owned())));
    let (exit, screen) = asked(&home, &["status"]);
    assert_eq!(exit.expect("answered"), Some(Exit::CouldNot));
    assert_eq!(screen.out.get(1), Some(&format!("false None {}", own_user(&home).name)));
    control.stop();
}

/// Goal: where nobody listens that is said, before the start, after the stop and after a death. Method: each.
#[test]
fn nobody_listens() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path());
    assert!(matches!(asked(&home, &["status"]).0, Ok(None)));
    assert!(matches!(asked(&Home::new(directory.path().join("missing")), &["status"]).0, Ok(None)));
    let control = serve(&home, Arc::new(Office(|_, _: &mut dyn Files, _: &User, _: &mut dyn Screen| Ok(Exit::Good))))
        .expect("served");
    assert!(matches!(asked(&home, &["status"]).0, Ok(Some(Exit::Good))));
    control.stop();
    assert!(!home.socket().exists() && matches!(asked(&home, &["status"]).0, Ok(None)));
    drop(std::os::unix::net::UnixListener::bind(home.socket()).expect("bound"));
    assert!(home.socket().exists() && matches!(asked(&home, &["status"]).0, Ok(None)));
}

/// Goal: the socket of a dead process is replaced, that of a living one never; only the owner may speak to it, and the
/// group where the directory is the group's. Method: bind and die, then serve twice.
#[test]
fn the_socket_of_the_dead_is_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path());
    let handler = || Arc::new(Office(|_, _: &mut dyn Files, _: &User, _: &mut dyn Screen| Ok(Exit::Good)));
    let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    drop(std::os::unix::net::UnixListener::bind(home.socket()).expect("bound"));
    let control = serve(&home, handler()).expect("served");
    assert_eq!(mode(home.socket()), 0o600);
    assert!(matches!(serve(&home, handler()), Err(ControlError::Taken { .. })));
    assert!(matches!(asked(&home, &["status"]).0, Ok(Some(Exit::Good))), "the first still serves");
    control.stop();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o770)).expect("changed");
    let control = serve(&home, handler()).expect("served");
    assert_eq!(mode(home.socket()), 0o660);
    control.stop();
    let long = Home::new(directory.path().join("x".repeat(100 - directory.path().as_os_str().len())));
    fs::create_dir(long.path()).expect("made");
    assert!(matches!(serve(&long, handler()), Err(ControlError::LongPath { .. })));
    assert!(matches!(asked(&long, &["status"]).0, Ok(None)));
    fs::remove_dir(long.path()).expect("nothing is left in it");
    let left: Vec<_> = fs::read_dir(directory.path()).expect("listed").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Goal: files arrive whole, in order and apart, whatever the office does with each. Method: more bytes than any buffer,
/// an empty file, one that is passed over half read.
#[test]
fn files_are_handed_over() {
    let (directory, home, control) = office(|_, files, _, screen| {
        let names: Vec<_> = files.offered().iter().map(|offered| offered.file_name().to_owned()).collect();
        screen.out(&names.join(" "))?;
        while let Some((offered, mut read)) = files.next()? {
            let mut bytes = Vec::new();
            if offered.file_name() == "half" {
                read.by_ref().take(5).read_to_end(&mut bytes)?;
            } else {
                read.read_to_end(&mut bytes)?;
                assert_eq!(bytes.len() as u64, offered.bytes);
            }
            screen.out(&format!("{} {}", bytes.len(), bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>()))?;
        }
        Ok(Exit::Good)
    });
    let large = 3_000_000;
    let mut words = vec!["import".to_owned(), "--centre".to_owned(), "C1".to_owned()];
    for (name, bytes) in [("large", vec![1; large]), ("empty", vec![]), ("half", vec![2; large]), ("last", vec![3; 7])]
    {
        let path = directory.path().join(name);
        fs::write(&path, bytes).expect("written");
        words.push(path.to_str().expect("text").to_owned());
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (exit, screen) = asked(&home, &words);
    assert_eq!(exit.expect("answered"), Some(Exit::Good));
    assert_eq!(screen.out, ["large empty half last", "3000000 3000000", "0 0", "5 10", "7 21"]);
    control.stop();
}

/// Goal: an office that answers before it has read the files does not hang, and its answer is seen. Method: refuse a file
/// larger than every buffer, with more words than one.
#[test]
fn an_early_answer_is_heard() {
    let (directory, home, control) = office(|_, _, _, screen| {
        for _ in 0..100 {
            screen.out(&"x".repeat(10_000))?;
        }
        Ok(Exit::Problem)
    });
    let path = directory.path().join("large");
    fs::write(&path, vec![1; 8 << 20]).expect("written");
    let (exit, screen) = asked(&home, &["import", "--centre", "C1", path.to_str().expect("text")]);
    assert_eq!((exit.expect("answered"), screen.out.len()), (Some(Exit::Problem), 100));
    control.stop();
}

/// Goal: a client that dies while it hands over a file leaves no whole file behind. Method: half a file by hand.
#[test]
fn half_a_file_is_an_error() {
    let (tell, told): (SyncSender<Option<io::ErrorKind>>, Receiver<_>) = mpsc::sync_channel(1);
    let (_directory, home, control) = office(move |_, files, _, _| {
        let (_, mut read) = files.next()?.expect("a file");
        let read = read.read_to_end(&mut Vec::new());
        tell.send(read.err().map(|error| error.kind())).expect("the test listens");
        Ok(Exit::CouldNot)
    });
    let request = request(&["import", "--centre", "C1", "unread"]);
    let files = vec![Offered { name: "a".to_owned(), bytes: 10, modified_micros: 0 }];
    let mut line = serde_json::to_vec(&Asked { version: VERSION.to_owned(), request, files }).expect("encoded");
    line.extend_from_slice(b"\nhalf");
    let mut stream = UnixStream::connect(home.socket()).expect("connected");
    stream.write_all(&line).expect("sent");
    drop(stream);
    assert_eq!(told.recv().expect("told"), Some(io::ErrorKind::UnexpectedEof));
    control.stop();
}

/// Goal: what is not a command, too long, of another version or not for an agent is refused in words. Method: by hand.
#[test]
fn what_is_not_a_command_is_refused() {
    let (_directory, home, control) = office(|_, _, _, _| Ok(Exit::Good));
    let typed = |words: &[&str], version: &str| {
        let request = request(words);
        let mut line =
            serde_json::to_vec(&Asked { version: version.to_owned(), request, files: Vec::new() }).expect("encoded");
        line.push(b'\n');
        line
    };
    let limit = usize::try_from(REQUEST_BYTES_MAX).expect("small");
    for (bytes, word) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), "not a command"),
        (b"{}\n".to_vec(), "not a command"),
        (vec![b'x'; limit + 1], "too long"),
        (vec![b'x'; limit * 4], "too long"),
        (typed(&["status"], "0.0.0"), "restart it"),
        (typed(&["salvage"], VERSION), "not for a running daybook"),
    ] {
        let answer = by_hand(&home, &bytes);
        assert!(answer.contains(word) && answer.ends_with("{\"exit\":2}\n"), "{word}: {answer}");
    }
    assert!(by_hand(&home, &typed(&["status"], VERSION)).ends_with("{\"exit\":0}\n"), "it still serves");
    control.stop();
}

/// Goal: a command that follows ends when its client goes away, closes its side, or the agent stops. Method: each, with an
/// office that waits for the screen to be gone.
#[test]
fn a_following_command_ends_with_its_client() {
    let (tell, told) = mpsc::sync_channel(1);
    let (_directory, home, control) = office(move |_, _, _, screen| {
        screen.out("here")?;
        screen.flush()?;
        while !screen.gone() {
            thread::yield_now();
        }
        tell.send(()).expect("the test listens");
        Ok(Exit::Good)
    });
    let mut line = serde_json::to_vec(&Asked {
        version: VERSION.to_owned(),
        request: request(&["entries", "--follow"]),
        files: Vec::new(),
    })
    .expect("encoded");
    line.push(b'\n');
    let follow = || {
        let mut stream = UnixStream::connect(home.socket()).expect("connected");
        stream.write_all(&line).expect("sent");
        let mut from = BufReader::new(stream);
        let mut first = String::new();
        from.read_line(&mut first).expect("an answer");
        assert_eq!(first, "{\"out\":\"here\"}\n");
        from
    };
    drop(follow());
    told.recv().expect("a client that went away is noticed");
    let mut from = follow();
    from.get_ref().shutdown(std::net::Shutdown::Write).expect("closed");
    told.recv().expect("a client that closed its side is noticed");
    let mut rest = String::new();
    from.read_to_string(&mut rest).expect("the end");
    assert_eq!(rest, "{\"exit\":0}\n");
    let _from = follow();
    control.stop();
    told.recv().expect("a stop is noticed");
}

/// Goal: after a stop the handler is its owner's alone, so that the log can be closed. Method: count who holds it, again and
/// again, with a command in hand each time.
#[test]
fn a_stop_lets_the_handler_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path());
    for _ in 0..50 {
        let handler = Arc::new(Office(|_, _: &mut dyn Files, _: &User, screen: &mut dyn Screen| {
            screen.out("here")?;
            screen.flush()?;
            while !screen.gone() {
                thread::yield_now();
            }
            Ok(Exit::Good)
        }));
        let control = serve(&home, Arc::clone(&handler) as Arc<dyn Handler>).expect("served");
        let asking = thread::spawn({
            let home = home.clone();
            move || asked(&home, &["entries", "--follow"]).1.out.len()
        });
        let begun = || Arc::strong_count(&handler) > 2;
        while !begun() {
            thread::yield_now();
        }
        control.stop();
        assert_eq!(Arc::strong_count(&handler), 1);
        assert_eq!(asking.join().expect("ended"), 1);
    }
}

/// A screen whose reader wants to stop after the first line.
struct Impatient(Kept);

impl Screen for Impatient {
    fn out(&mut self, line: &str) -> io::Result<()> {
        self.0.out(line)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn note(&mut self, text: &str) {
        self.0.note(text);
    }
    fn progress(&mut self, _: u64, _: u64, _: &str) {}
    fn gone(&self) -> bool {
        !self.0.out.is_empty()
    }
}

/// Goal: Ctrl-C at the client stops the command at the agent, whose last words are still heard. Method: a screen that is
/// gone after the first line.
#[test]
fn an_impatient_client_is_obeyed() {
    let (_directory, home, control) = office(|_, _, _, screen| {
        screen.out("here")?;
        screen.flush()?;
        while !screen.gone() {
            thread::yield_now();
        }
        screen.note("stopped");
        Ok(Exit::Problem)
    });
    let mut screen = Impatient(Kept::default());
    let exit = ask(&home, &request(&["entries", "--follow"]), &mut screen).expect("answered");
    assert_eq!((exit, screen.0.notes), (Some(Exit::Problem), vec!["stopped".to_owned()]));
    control.stop();
}

/// Goal: commands do not wait for each other. Method: two clients whose commands can only end together.
#[test]
fn two_clients_are_served_at_once() {
    let both = Arc::new(Barrier::new(2));
    let (_directory, home, control) = office(move |request, _, _, screen| {
        both.wait();
        screen.out(if request.json { "json" } else { "text" })?;
        Ok(Exit::Good)
    });
    let answers = thread::scope(|scope| {
        let asking = [&["status", "--json"][..], &["status"][..]].map(|words| {
            let home = &home;
            scope.spawn(move || asked(home, words).1.out)
        });
        asking.map(|asking| asking.join().expect("answered"))
    });
    assert_eq!(answers, [["json"], ["text"]]);
    control.stop();
}

/// Goal: one client too many is told so, and a place that is given back can be taken. Method: fill every place.
#[test]
fn connections_are_bounded() {
    let (tell, told) = mpsc::sync_channel(CONNECTIONS_MAX);
    let (_directory, home, control) = office(move |request, _, _, screen| {
        if !matches!(request.command, Command::Status { .. }) {
            tell.send(()).expect("the test listens");
            while !screen.gone() {
                thread::yield_now();
            }
        }
        Ok(Exit::Good)
    });
    let waiting: Vec<_> =
        (0..CONNECTIONS_MAX).map(|_| UnixStream::connect(home.socket()).expect("connected")).collect();
    let (exit, screen) = asked(&home, &["status"]);
    assert_eq!(exit.expect("answered"), Some(Exit::CouldNot));
    assert!(screen.notes.iter().any(|note| note.contains("too many commands")), "{:?}", screen.notes);
    drop(waiting);
    let freed = (0..1_000_000).any(|_| {
        thread::yield_now();
        matches!(asked(&home, &["status"]).0, Ok(Some(Exit::Good)))
    });
    assert!(freed, "a place is free again");
    drop(told);
    control.stop();
}

/// Goal: an office that fails takes only its own client with it. Method: a panic in the middle.
#[test]
fn a_failure_is_confined() {
    let (_directory, home, control) = office(|request, _, _, screen| {
        screen.out("begun")?;
        screen.flush()?;
        assert!(request.json, "fails without --json, as the test wants");
        Ok(Exit::Good)
    });
    assert!(matches!(asked(&home, &["status"]).0, Err(ControlError::Lost(_))));
    assert!(matches!(asked(&home, &["status", "--json"]).0, Ok(Some(Exit::Good))));
    control.stop();
}
