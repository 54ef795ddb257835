//! A look at what the central node has of this home's log, as its agent and without sending anything.

use daybook_protocol::{
    ids::Digest,
    wire::{Hello, Message, Mirrored, Role, VERSION},
};

use super::{
    ConnectError, Link,
    client::{TlsFiles, connect},
    farewell,
};
use crate::{home::Home, identity::Identity};

/// What the central node at `address` says that it has of a log that ends at `count` entries with `root`; `None` where it turns
/// this machine away, be it for that end, or because another has taken its place, and where the two do not know each other.
pub async fn mirrored(
    address: &str,
    home: &Home,
    identity: &Identity,
    (count, root): (u64, Digest),
) -> Result<Option<Mirrored>, ConnectError> {
    let Ok(connector) = TlsFiles(home).connector() else { return Ok(None) };
    let Identity { log, epoch, .. } = *identity;
    let hello = Hello { version: VERSION, role: Role::Agent, log, epoch, count, root };
    let Link { mut reader, mut writer } = match connect(address, &connector, &hello).await {
        Ok((_, link)) => link,
        Err(ConnectError::Refused(_) | ConnectError::Untrusted { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let answer = reader.next().await.map_err(|error| ConnectError::broken(address, error))?;
    farewell(&mut reader, &mut writer, None).await;
    Ok(match answer {
        Message::Mirrored(theirs) => Some(theirs),
        _ => None,
    })
}
