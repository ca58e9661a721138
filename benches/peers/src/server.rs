//! A server on this machine from which network clients take their documents.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// Answers every request with the text that is served at the moment; runs as long as the process.
pub struct Server(SocketAddr);

impl Server {
    /// Starts a server.
    ///
    /// # Errors
    ///
    /// This machine has no port to listen on.
    pub fn start(served: Arc<Mutex<String>>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                // A client that goes away ends its thread.
                thread::spawn(move || drop(answer(connection, &served)));
            }
        });
        Ok(Self(address))
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.0)
    }
}

/// Answers the requests of a connection, one after the other.
fn answer(connection: TcpStream, served: &Mutex<String>) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut requests = BufReader::new(connection.try_clone()?);
    let mut connection = connection;
    let mut number = 0_u64;
    let mut line = String::new();
    loop {
        line.clear();
        if requests.read_line(&mut line)? == 0 {
            return Ok(());
        }
        // A request without a body ends with an empty line.
        if line != "\r\n" {
            continue;
        }
        number += 1;
        let body = served
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"{number}\"\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes())?;
        connection.write_all(body.as_bytes())?;
    }
}
