//! Postrider's tables, one a file. Instants are microseconds UTC; text from headers has NULs
//! stripped.

pub mod account;
pub mod attachment;
pub mod audit;
pub mod body;
pub mod contact;
pub mod counter;
pub mod credential;
pub mod cursor;
pub mod delivery;
pub mod derived;
pub mod event;
pub mod failure;
pub mod feed;
pub mod folder;
pub mod inbound;
pub mod job;
pub mod leap;
pub mod location;
pub mod message;
pub mod message_contact;
pub mod note;
pub mod owed;
pub mod pack;
pub mod run;
pub mod run_hour;
pub mod schedule;
pub mod setting;
pub mod spending;
pub mod subscriber;
pub mod subscription;
pub mod thread;
pub mod thread_alias;
pub mod thread_key;
