//! Shared by all: the binary under test, scripted servers, a private Dovecot, the verifier.

pub(crate) mod answering;
pub(crate) mod binary;
pub(crate) mod check;
pub(crate) mod database;
pub(crate) mod dovecot;
pub(crate) mod emulate;
pub(crate) mod fits;
pub(crate) mod gmail;
pub(crate) mod hook;
pub(crate) mod issuer;
pub(crate) mod mail;
pub(crate) mod nylas;
pub(crate) mod nylas_push;
pub(crate) mod parrot;
pub(crate) mod pgway;
pub(crate) mod ports;
pub(crate) mod postgres;
pub(crate) mod pubsub;
pub(crate) mod pusher;
pub(crate) mod relay;
pub(crate) mod served;
pub(crate) mod shelf;
pub(crate) mod stream;
pub(crate) mod tape;
pub(crate) mod token;
