//! A resolver that knows no name, and may be ill.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::house::free_address;

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// The name does not exist.
    Well,
    /// SERVFAIL.
    Failing,
    /// Not at all.
    Silent,
}

/// A resolver. Dropping it ends it.
pub struct Resolver {
    pub address: SocketAddr,
    health: Arc<Mutex<Health>>,
    over: Arc<AtomicBool>,
}

impl Resolver {
    /// One at an address where one was, or at any.
    pub fn start(at: Option<SocketAddr>) -> Resolver {
        let address = at.unwrap_or_else(free_address);
        let socket = UdpSocket::bind(address).expect("an address of loopback");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a time limit");
        let resolver = Resolver {
            address,
            health: Arc::new(Mutex::new(Health::Well)),
            over: Arc::default(),
        };
        let (health, over) = (Arc::clone(&resolver.health), Arc::clone(&resolver.over));
        thread::spawn(move || {
            let mut octets = [0; 1500];
            while !over.load(Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut octets) else {
                    continue;
                };
                let health = *health.lock().expect("a lock");
                if let Some(answer) = answer(&octets[..length], health) {
                    // Whoever asked may be gone.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        resolver
    }

    /// Answers like this from now on.
    pub fn is(&self, health: Health) {
        *self.health.lock().expect("a lock") = health;
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// The answer (RFC 1035 §4.1): the question again, and a code.
fn answer(question: &[u8], health: Health) -> Option<Vec<u8>> {
    let code = match health {
        Health::Well => 3,
        Health::Failing => 2,
        Health::Silent => return None,
    };
    // A name without compression, type and class.
    let name = question.get(12..)?.iter().position(|octet| *octet == 0)?;
    let mut answer = question.get(..12 + name + 5)?.to_vec();
    (answer[2], answer[3]) = (0x81, 0x80 | code);
    // One question and nothing else.
    answer[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    Some(answer)
}
