//! A server of one file on loopback, with ranges, that can break off.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

/// How the server answers.
#[derive(Clone, Copy)]
pub struct Manners {
    /// Bytes after which the first answer breaks off.
    pub breaks_off_after: Option<usize>,
    /// Whether it leaves the connection open then, for as long as the other side does.
    pub stalls: bool,
    /// Whether it sends parts of a file.
    pub knows_ranges: bool,
}

/// A running server.
pub struct FileServer {
    address: SocketAddr,
    ranges: Arc<Mutex<Vec<Option<usize>>>>,
    thread: Option<JoinHandle<()>>,
}

impl FileServer {
    /// Serves `content` under every path.
    pub fn start(content: Vec<u8>, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ranges: Arc<Mutex<Vec<Option<usize>>>> = Arc::default();
        let seen = ranges.clone();
        let serve = move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let Some(from) = asked(&stream) else { return };
                seen.lock().unwrap().push(from);
                // Whoever was answered may have gone; that is his affair.
                let _ = answer(&mut stream, &content, manners, from, number == 0);
                let _ = stream.shutdown(Shutdown::Both);
            }
        };
        Self { address, ranges, thread: Some(std::thread::spawn(serve)) }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where each request wanted to begin; `None` for one that asked for the whole file.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.ranges.lock().unwrap().clone()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        // A connection that asks for nothing ends it.
        let _ = TcpStream::connect(self.address).map(|stream| stream.shutdown(Shutdown::Both));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The beginning of the range that is asked for; none where nothing is asked.
#[expect(clippy::option_option, reason = "a request without a range is not no request")]
fn asked(stream: &TcpStream) -> Option<Option<usize>> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    head.first()?;
    let range = head.iter().find_map(|line| {
        let line = line.to_lowercase();
        let from = line.strip_prefix("range: bytes=")?.split('-').next()?;
        from.parse().ok()
    });
    Some(range)
}

fn answer(
    stream: &mut TcpStream,
    content: &[u8],
    manners: Manners,
    from: Option<usize>,
    is_first: bool,
) -> std::io::Result<()> {
    let whole = content.len();
    let (head, body) = match from.filter(|_| manners.knows_ranges) {
        Some(from) if from >= whole => {
            (format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{whole}"), &content[..0])
        }
        Some(from) => {
            let range = format!("bytes {from}-{}/{whole}", whole - 1);
            (format!("206 Partial Content\r\nContent-Range: {range}"), &content[from..])
        }
        None => ("200 OK".to_owned(), content),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    let until = manners.breaks_off_after.filter(|_| is_first).unwrap_or(length).min(length);
    stream.write_all(&body[..until])?;
    if manners.stalls && until < length {
        let _ = stream.read(&mut [0]);
    }
    Ok(())
}
