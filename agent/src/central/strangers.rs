//! Connections of which nobody knows yet whose they are. They are few, and when one too many comes the oldest goes, of the
//! address that has most of them: whoever opens connections and says nothing pushes out its own, and an agent gets through.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use tokio_util::sync::CancellationToken;

use super::locked;

/// At most this many connections at once whose certificate was not seen yet: a handshake takes some tens of milliseconds, so
/// that a thousand agents that come back in the same second find room, and memory stays below ten megabytes.
pub const STRANGERS_MAX: usize = 192;

/// Those there are, in the order in which they came.
#[derive(Default)]
pub(super) struct Strangers(Mutex<Room>);

#[derive(Default)]
struct Room {
    /// So many have come.
    came: u64,
    waiting: Vec<Waiting>,
}

struct Waiting {
    number: u64,
    address: IpAddr,
    gone: CancellationToken,
}

/// A connection that is not known yet. It counts until it is dropped or known.
pub(super) struct Stranger {
    number: u64,
    among: Arc<Strangers>,
    gone: CancellationToken,
}

impl Strangers {
    /// Another one comes, from this address; where it is one too many, an older one goes.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Stranger {
        let Room { came, waiting } = &mut *locked(&self.0);
        if waiting.len() >= STRANGERS_MAX
            && let Some(oldest) = oldest_of_most(waiting)
        {
            let oldest = waiting.remove(oldest);
            tracing::warn!(address = %oldest.address, "too many connections say nothing: the oldest is closed");
            oldest.gone.cancel();
        }
        *came += 1;
        let number = *came;
        let gone = CancellationToken::new();
        waiting.push(Waiting { number, address, gone: gone.clone() });
        Stranger { number, among: Arc::clone(self), gone }
    }
}

/// The place of the oldest of the address that has most of them.
fn oldest_of_most(waiting: &[Waiting]) -> Option<usize> {
    let mut each: HashMap<IpAddr, usize> = HashMap::new();
    for one in waiting {
        *each.entry(one.address).or_default() += 1;
    }
    let most = *each.values().max()?;
    waiting.iter().position(|one| each.get(&one.address) == Some(&most))
}

impl Stranger {
    /// It has shown a certificate of ours: it is no stranger, and is not sent away any more.
    pub(super) fn is_known(&self) {
        locked(&self.among.0).waiting.retain(|waiting| waiting.number != self.number);
    }

    /// Waits until it has to go.
    pub(super) async fn gone(&self) {
        self.gone.cancelled().await;
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.is_known();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// Goal: whoever fills the room pushes out its own, and who is known is left alone. Method: one address that comes without
    /// end, one that came once before it, and one that is known.
    #[test]
    fn who_comes_too_often_pushes_out_its_own() {
        let strangers = Arc::new(Strangers::default());
        let address = |last| IpAddr::from(Ipv4Addr::new(192, 0, 2, last));
        let (other, known) = (strangers.enter(address(1)), strangers.enter(address(2)));
        known.is_known();
        let many: Vec<_> = (0..3 * STRANGERS_MAX).map(|_| strangers.enter(address(2))).collect();
        assert!(!other.gone.is_cancelled() && !known.gone.is_cancelled());
        let gone = many.iter().take_while(|one| one.gone.is_cancelled()).count();
        assert_eq!(gone, 2 * STRANGERS_MAX + 1, "the oldest go first");
        assert!(many.iter().skip(gone).all(|one| !one.gone.is_cancelled()));
        drop((many, other, known));
        assert!(locked(&strangers.0).waiting.is_empty());
    }
}
