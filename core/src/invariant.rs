//! The numbered invariants: one list for code, tests and documents.

/// Number and meaning.
pub const ALL: &[(&str, &str)] = &[
    (
        "INV-1",
        "a cursor never passes what is not in the same commit; nothing alive ends without a lie",
    ),
    ("INV-2", "a range leaves `remaining` once"),
    ("INV-3", "the live chain has no gaps and no forks"),
    ("INV-4", "after clean rounds the mirror is the server"),
    ("INV-5", "every UID of the server is stored, failed, remaining, or still to arrive"),
    (
        "INV-6",
        "replaying the events gives the store; created once; a move is one `moved`; old mail is never new",
    ),
    ("INV-7", "nothing large ends on one look"),
    ("INV-8", "idle means idle"),
    ("INV-9", "runs end"),
];
