//! Answers that are held back: one thread sends each when its time has come.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

struct Waiting {
    due: Instant,
    octets: Vec<u8>,
    to: SocketAddr,
}

/// Where answers wait. The thread ends with it.
pub struct Late(Sender<Waiting>);

impl Late {
    /// Answers over this socket.
    pub fn over(socket: &UdpSocket) -> Late {
        let (sender, receiver) = channel();
        let socket = socket.try_clone().expect("a second handle");
        thread::spawn(move || tend(&socket, &receiver));
        Late(sender)
    }

    /// Sends it after so long.
    pub fn send(&self, octets: Vec<u8>, to: SocketAddr, after: Duration) {
        let due = Instant::now() + after;
        // The thread lives as long as this.
        let _ = self.0.send(Waiting { due, octets, to });
    }
}

fn tend(socket: &UdpSocket, receiver: &Receiver<Waiting>) {
    let mut waiting: Vec<Waiting> = Vec::new();
    loop {
        let now = Instant::now();
        waiting.retain(|answer| {
            let due = answer.due <= now;
            if due {
                // Whoever asked may be gone.
                let _ = socket.send_to(&answer.octets, answer.to);
            }
            !due
        });
        let next = waiting.iter().map(|answer| answer.due).min();
        let pause = next.map_or(Duration::from_secs(1), |next| next.saturating_duration_since(now));
        match receiver.recv_timeout(pause) {
            Ok(answer) => waiting.push(answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
