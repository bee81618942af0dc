//! What the process owes its neighbours before it does anything else.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask,
};

/// Files are nobody else's, memory is not dumped, and as many files may be open as the system
/// allows.
pub fn harden() {
    umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    // Passwords are in this memory. Where the system knows no such thing there is nothing to
    // forbid.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
    let limit = getrlimit(Resource::Nofile);
    // A session is a file; the soft limit of most systems is 1024. What cannot be raised stays as
    // it is.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
}
