//! The rules of feeds: what each word, list and answer about a message id does to the rows. What
//! must be read is owed, a row; Gets pay it. No cursor waits for a download.
//!
//! Reads may show the past, and a change is told once: only a fresh answer settles what is owed.
//! Left, absence, a window's end, a place that ends never end a message: they ask.

pub mod apply;
pub mod books;
mod placed;
pub mod rows;
mod settle;
#[cfg(test)]
mod tests;
mod word;
