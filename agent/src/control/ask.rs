//! The client's end: passes a command on, hands over its files, and shows the answer.

use crate::{
    cli::{Exit, Request, Screen},
    home::Home,
};

use super::ControlError;

/// Passes a command to the process that has `home` open and shows its answer on `screen`; `None` if nobody listens there.
/// The files are read here, by whoever typed the command.
#[cfg(unix)]
pub fn ask(home: &Home, request: &Request, screen: &mut dyn Screen) -> Result<Option<Exit>, ControlError> {
    unix::ask(home, request, screen)
}

/// Nobody listens on this system yet.
#[cfg(not(unix))]
pub fn ask(_: &Home, _: &Request, _: &mut dyn Screen) -> Result<Option<Exit>, ControlError> {
    Ok(None)
}

#[cfg(unix)]
mod unix {
    use std::{
        io::{self, BufReader, Read as _, Write as _},
        net::Shutdown,
        os::unix::net::UnixStream,
        thread,
    };

    use super::super::{
        ANSWER_BYTES_MAX, ASK_EVERY, Answer, Asked, ControlError, REQUEST_BYTES_MAX, VERSION, limited_line,
    };
    use crate::{
        cli::{Exit, Files as _, Request, Screen, files::LocalFiles},
        home::Home,
    };

    const PIECE_BYTES: usize = 256 * 1024;

    pub(super) fn ask(home: &Home, request: &Request, screen: &mut dyn Screen) -> Result<Option<Exit>, ControlError> {
        let stream = match UnixStream::connect(home.socket()) {
            Ok(stream) => stream,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
                        Ok(None)
                    }
                    // A path too long for a socket: nobody can have listened there.
                    io::ErrorKind::InvalidInput => Ok(None),
                    io::ErrorKind::PermissionDenied => Err(ControlError::Forbidden { path: home.path().to_owned() }),
                    _ => Err(ControlError::Lost(error)),
                };
            }
        };
        let mut files = LocalFiles::look(request.command.files())?;
        let asked = Asked { version: VERSION.to_owned(), request: request.clone(), files: files.offered().to_vec() };
        let mut line = serde_json::to_vec(&asked).map_err(ControlError::Answer)?;
        line.push(b'\n');
        if line.len() as u64 > REQUEST_BYTES_MAX {
            return Err(ControlError::TooLong);
        }
        stream.set_read_timeout(Some(ASK_EVERY)).map_err(ControlError::Lost)?;
        // The answer is read while the files are still being sent: otherwise both sides could wait for each other.
        thread::scope(|scope| {
            let sender = scope.spawn(|| send(&stream, &line, &mut files));
            let answered = listen(&stream, screen);
            let _ = stream.shutdown(Shutdown::Both);
            let sent = sender.join().unwrap_or_else(|_| Err(ControlError::Lost(io::ErrorKind::Other.into())));
            match (answered, sent) {
                // What became of a file of ours says more than the other side's surprise at not getting it.
                (_, Err(error @ ControlError::File { .. })) => Err(error),
                (answered, _) => answered.map(Some),
            }
        })
    }

    fn send(mut stream: &UnixStream, line: &[u8], files: &mut LocalFiles) -> Result<(), ControlError> {
        stream.write_all(line).map_err(ControlError::Lost)?;
        let mut piece = vec![0; PIECE_BYTES];
        for offered in files.offered().to_vec() {
            let unread = |source| ControlError::File { name: offered.name.clone(), source };
            let sent = match files.next() {
                Ok(Some((_, mut read))) => loop {
                    match read.read(&mut piece) {
                        Ok(0) => break Ok(()),
                        Ok(bytes) => stream.write_all(piece.split_at(bytes).0).map_err(ControlError::Lost)?,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => break Err(unread(error)),
                    }
                },
                Ok(None) => Ok(()),
                Err(error) => Err(unread(error)),
            };
            if sent.is_err() {
                // The other side must learn that the rest is not to come; what it has of the file is not whole.
                let _ = stream.shutdown(Shutdown::Write);
                return sent;
            }
        }
        Ok(())
    }

    fn listen(stream: &UnixStream, screen: &mut dyn Screen) -> Result<Exit, ControlError> {
        let mut from = BufReader::new(stream);
        let mut line = Vec::new();
        let mut told_to_stop = false;
        loop {
            match limited_line(&mut from, ANSWER_BYTES_MAX, &mut line) {
                Ok(Some(())) if line.ends_with(b"\n") => {}
                Ok(Some(())) => return Err(ControlError::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(None) => return Err(ControlError::Lost(io::Error::other("a line of the answer is too long"))),
                Err(error) if waited(&error) => {
                    if screen.gone() && !told_to_stop {
                        told_to_stop = true;
                        let _ = stream.shutdown(Shutdown::Write);
                    }
                    continue;
                }
                Err(error) => return Err(ControlError::Lost(error)),
            }
            match serde_json::from_slice(&line).map_err(ControlError::Answer)? {
                Answer::Out(text) => {
                    if screen.out(&text).is_err() {
                        return Ok(Exit::CouldNot);
                    }
                }
                Answer::Note(text) => screen.note(&text),
                Answer::Progress { done, total, what } => screen.progress(done, total, &what),
                Answer::Exit(number) => return Ok(Exit::from_number(number)),
            }
            line.clear();
            // Before waiting for more, what came is shown; in a long listing more is there already.
            if from.buffer().is_empty() && screen.flush().is_err() {
                return Ok(Exit::CouldNot);
            }
        }
    }

    fn waited(error: &io::Error) -> bool {
        matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
    }
}
