//! A line between an agent and a central node that can stall: what is sent towards the central node stops after so many
//! bytes, what comes back passes. Notes when the central node hangs up.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

/// A line that stalls.
pub struct Line {
    pub address: String,
    /// So many bytes were passed on.
    passed: Arc<AtomicU64>,
    ended: Arc<Mutex<Option<Instant>>>,
}

impl Line {
    /// A line to `central` on which only the first `bytes_max` bytes get there.
    pub fn stalling(central: &str, bytes_max: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (passed, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
        let line = Self { address, passed: Arc::clone(&passed), ended: Arc::clone(&ended) };
        let central = central.to_owned();
        thread::spawn(move || {
            for agent in listener.incoming().map_while(Result::ok) {
                let Ok(central) = TcpStream::connect(&central) else { continue };
                let (from, to) = (agent.try_clone().expect("a socket"), central.try_clone().expect("a socket"));
                let passed = Arc::clone(&passed);
                thread::spawn(move || towards(from, to, &passed, bytes_max));
                let ended = Arc::clone(&ended);
                thread::spawn(move || back(central, agent, &ended));
            }
        });
        line
    }

    /// How many bytes have got to the central node.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// When the central node first hung up, if it has.
    pub fn ended(&self) -> Option<Instant> {
        *self.ended.lock().expect("no panic")
    }
}

fn towards(mut from: TcpStream, mut to: TcpStream, passed: &AtomicU64, bytes_max: u64) {
    let mut bytes = [0; 4096];
    while passed.load(Ordering::Relaxed) < bytes_max {
        let Ok(read @ 1..) = from.read(&mut bytes) else { return };
        let Some(piece) = bytes.get(..read) else { return };
        if to.write_all(piece).is_err() {
            return;
        }
        passed.fetch_add(read as u64, Ordering::Relaxed);
    }
    // Nothing more is read or sent; the connection stands for as long as the other direction does.
}

fn back(mut from: TcpStream, mut to: TcpStream, ended: &Mutex<Option<Instant>>) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        let Some(piece) = bytes.get(..read) else { return };
        if to.write_all(piece).is_err() {
            return;
        }
    }
    ended.lock().expect("no panic").get_or_insert_with(Instant::now);
    let _ = to.shutdown(Shutdown::Both);
}
