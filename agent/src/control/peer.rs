//! Who is at the other end of the socket.

use std::{fs, io, os::unix::net::UnixStream};

use rustix::process::{Uid, geteuid, getuid};

const USERS: &str = "/etc/passwd";

/// The user at the other end.
pub(super) fn user_of(stream: &UnixStream) -> io::Result<Uid> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Ok(rustix::net::sockopt::socket_peercred(stream)?.uid);
    // Elsewhere the socket's permissions let in nobody but ourselves.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return stream.peer_addr().map(|_| geteuid());
}

/// The name of a user of this machine, or `uid:1000` where it is not known here.
pub(super) fn name_of(user: Uid) -> String {
    let users = fs::read_to_string(USERS).unwrap_or_default();
    named(&users, user.as_raw()).unwrap_or_else(|| format!("uid:{}", user.as_raw()))
}

fn named(users: &str, user: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, number) = (parts.next()?, parts.nth(1)?);
        (number.parse() == Ok(user) && !name.is_empty()).then(|| name.to_owned())
    })
}

/// The name of the user of the operating system that this process runs as.
pub fn own_user() -> String {
    name_of(getuid())
}

/// The user who has a command performed. Whoever could open the log by themselves, the agent's own user and the superuser,
/// may sign with another name, since they could do so without the agent too, and is recorded beside it as there; anybody
/// else is who they are.
pub(super) fn operator(peer: Uid, asked: Option<&str>) -> Result<String, String> {
    let known_as = name_of(peer);
    match asked {
        Some(asked) if asked != known_as && !peer.is_root() && peer != geteuid() => {
            Err(format!("daybook: you are known as {known_as} and cannot sign as somebody else: leave out --operator"))
        }
        _ => Ok(known_as),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: numbers become names where the machine knows them. Method: a list with a broken line.
    #[test]
    fn users_are_named() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\n::7:\njo:x:1000:1000::/home/jo:/bin/sh\n";
        assert_eq!(named(users, 1000).as_deref(), Some("jo"));
        assert_eq!(named(users, 0).as_deref(), Some("root"));
        assert_eq!(named(users, 7), None);
        assert_eq!(named(users, 1), None);
    }

    /// Goal: only who could do without the agent signs with another name, and nobody hides who they are behind one. Method:
    /// ourselves, the superuser and a stranger.
    #[test]
    fn a_stranger_signs_as_themself() {
        let stranger = Uid::from_raw(geteuid().as_raw() + 54_321);
        assert_eq!(operator(geteuid(), Some("jo")), Ok(name_of(geteuid())));
        assert_eq!(operator(Uid::ROOT, Some("jo")), Ok(name_of(Uid::ROOT)));
        let own = name_of(stranger);
        assert_eq!(operator(stranger, None).as_ref(), Ok(&own));
        assert_eq!(operator(stranger, Some(&own)).as_ref(), Ok(&own));
        assert!(operator(stranger, Some("jo")).is_err());
    }
}
