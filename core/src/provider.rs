//! The vocabulary of providers: questions of runs, answers of sessions. A provider speaks it in `src/provider`.

pub mod folders;
