//! A server that is nothing but its answers.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Says the same to everybody who asks the same (TAG is the command's, BEFORE that of the one before
/// it; CLOSE ends the connection); returns its port and what it heard.
pub(crate) fn answering(
    answer: impl Fn(&str) -> String + Send + 'static,
) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            stream.write_all(answer("").as_bytes()).unwrap();
            let mut before = String::new();
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let Ok(line) = line else { break };
                // The end of an IDLE has no tag.
                let (tag, command) = line.split_once(' ').unwrap_or((&line, &line));
                let said = answer(command).replace("TAG", tag).replace("BEFORE", &before);
                before = tag.to_owned();
                hears.lock().unwrap().push(command.to_owned());
                if said == "CLOSE" {
                    stream.shutdown(std::net::Shutdown::Both).unwrap();
                    break;
                }
                if stream.write_all(said.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    (port, heard)
}
