//! Who is at the other end of the socket.

use std::{
    fs, io,
    os::unix::{fs::MetadataExt as _, net::UnixStream},
};

use rustix::process::{Uid, geteuid, getuid};

use crate::{home::Home, operators::User};

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

/// Who is at the other end, as the agent sees them.
pub(super) fn known(peer: Uid) -> User {
    User { name: name_of(peer), owns: peer.is_root() || peer == geteuid() }
}

/// The user of the operating system that this process runs as, before a home that they may own.
pub fn own_user(home: &Home) -> User {
    let user = getuid();
    // Who makes a home owns it.
    let is_owner = fs::metadata(home.path()).map_or(true, |about| about.uid() == user.as_raw());
    User { name: name_of(user), owns: user.is_root() || is_owner }
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

    /// Goal: the superuser and whoever owns the home are taken for its owners, and nobody else. Method: ourselves, the superuser and
    /// a stranger; a home of ours and none.
    #[test]
    fn owners_are_known() {
        let directory = tempfile::tempdir().expect("a directory");
        let stranger = Uid::from_raw(geteuid().as_raw() + 54_321);
        assert_eq!([geteuid(), Uid::ROOT, stranger].map(|peer| known(peer).owns), [true, true, false]);
        assert_eq!(known(stranger).name, format!("uid:{}", stranger.as_raw()));
        for home in [Home::new(directory.path()), Home::new(directory.path().join("missing"))] {
            assert_eq!(own_user(&home), User { name: name_of(getuid()), owns: true });
        }
    }
}
