//! Handshakes in memory.

use daybook_protocol::ids::{Epoch, LogId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

struct Node {
    authority: CertificateAuthority,
    acceptor: Acceptor,
}

fn node() -> Node {
    let (key, certificate) = CertificateAuthority::generate("daybook authority").expect("an authority");
    let authority = CertificateAuthority::load(&key, certificate).expect("its own key");
    let key = new_key().expect("a key");
    let chain = vec![authority.issue_server(&key).expect("a certificate"), authority.certificate().to_vec()];
    let acceptor = Acceptor::new(&Credentials { key, chain }, authority.certificate()).expect("an acceptor");
    Node { authority, acceptor }
}

fn agent_of(node: &Node) -> Credentials {
    let key = new_key().expect("a key");
    let request =
        SigningRequest::read(&signing_request(&key, "post room").expect("a request")).expect("its own request");
    let certificate = node.authority.issue_agent(&request, LogId([1; 16]), Epoch(1)).expect("a certificate");
    Credentials { key, chain: vec![certificate] }
}

/// Says a word through a handshake; what the accepting side saw, what the connecting side met.
async fn word(acceptor: &Acceptor, connector: &Connector) -> (io::Result<Option<Shown>>, io::Result<u8>) {
    let (here, there) = tokio::io::duplex(64 * 1024);
    let accept = async {
        let (mut stream, shown) = acceptor.accept(there).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        Ok(shown)
    };
    let connect = async { connector.connect(here).await?.read_u8().await };
    tokio::join!(accept, connect)
}

/// Goal: an agent's certificate is seen and recognised, a newcomer comes in without one. Method: one handshake of each.
#[tokio::test]
async fn agents_and_newcomers_come_in() {
    let node = node();
    let agent = agent_of(&node);
    let connector = Connector::certified(&agent, node.authority.certificate()).expect("a connector");
    let (seen, met) = word(&node.acceptor, &connector).await;
    assert_eq!(seen.expect("accepted").map(|shown| shown.der().to_vec()), agent.chain.first().cloned());
    assert_eq!(met.expect("connected"), 7);

    let authority: [u8; 16] = *Digest::of(node.authority.certificate()).0.first_chunk().expect("half of it");
    let invite = Invite { secret: [1; 16], authority };
    let (seen, met) = word(&node.acceptor, &Connector::newcomer(&invite).expect("a connector")).await;
    assert_eq!((seen.expect("accepted"), met.expect("connected")), (None, 7));
}

/// Goal: neither side talks to one of another authority, and each says who did not trust whom. Method: two authorities.
#[tokio::test]
async fn another_authority_is_not_trusted() {
    let (node, other) = (node(), node());
    let stranger = Connector::certified(&agent_of(&other), node.authority.certificate()).expect("a connector");
    let (seen, met) = word(&node.acceptor, &stranger).await;
    assert!(seen.is_err());
    assert_eq!(distrust(&met.expect_err("turned away")), Some(Distrust::Theirs));

    let agent = Connector::certified(&agent_of(&node), node.authority.certificate()).expect("a connector");
    let (_, met) = word(&other.acceptor, &agent).await;
    assert_eq!(distrust(&met.expect_err("not trusted")), Some(Distrust::Ours));

    let authority: [u8; 16] = *Digest::of(other.authority.certificate()).0.first_chunk().expect("half of it");
    let invite = Invite { secret: [1; 16], authority };
    let (_, met) = word(&node.acceptor, &Connector::newcomer(&invite).expect("a connector")).await;
    assert_eq!(distrust(&met.expect_err("not trusted")), Some(Distrust::Ours));
}

/// Goal: a certificate goes only to whoever holds the key. Method: change each byte of a request; no change passes as
/// another key, and a stranger's key does not go with the certificate.
#[test]
fn a_request_is_signed_by_its_key() {
    let key = new_key().expect("a key");
    let request = signing_request(&key, "post room").expect("a request");
    let read = SigningRequest::read(&request).expect("a good request");
    assert_eq!(read.name(), "post room");
    let digest = read.key_digest();
    for at in 0..request.len() {
        let mut changed = request.clone();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 1;
        }
        if let Ok(read) = SigningRequest::read(&changed) {
            assert_eq!(read.key_digest(), digest, "byte {at}");
        }
    }
    let node = node();
    let mut stolen = agent_of(&node);
    stolen.key = new_key().expect("another key");
    assert!(matches!(Connector::certified(&stolen, node.authority.certificate()), Err(TlsError::Mismatch(_))));
}
