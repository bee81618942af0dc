//! Our reader of what servers send: a framer and a tolerant tokenizer. Unknown responses are
//! skipped, literals streamed, nesting and sizes bounded; nothing here recurses.

pub mod date;
pub mod frame;
pub mod quote;
pub mod response;
pub mod token;
pub mod utf7;
