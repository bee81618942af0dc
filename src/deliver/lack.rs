//! What a subscriber lacks before it can be given anything, as far as this machine knows.

use crate::config::Target;
use crate::deliver::sign::keys;
use rustix::fs::{Access, access};

/// What it lacks, if anything: its secret, or its program.
pub(crate) fn lack(target: &Target) -> Option<String> {
    match target {
        Target::Webhook { secret_file, .. } => keys(secret_file).err(),
        Target::Command(words) => {
            let program = words.first()?;
            let is_file = std::fs::metadata(program).map(|meta| meta.is_file());
            let why = match is_file {
                Ok(true) => access(program.as_str(), Access::EXEC_OK).err()?.to_string(),
                Ok(false) => "it is no file".to_owned(),
                Err(e) => e.to_string(),
            };
            Some(format!("command {program} cannot be run: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_program_is_a_file_that_can_be_run() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hook");
        let of = |path: &std::path::Path| lack(&Target::Command(vec![path.display().to_string()]));
        assert!(of(&file).is_some_and(|why| why.contains("cannot be run: No such file")));
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let allow = |mode| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        allow(0o644);
        assert!(of(&file).is_some_and(|why| why.contains("Permission denied")));
        allow(0o755);
        assert_eq!(of(&file), None);
        assert!(of(dir.path()).is_some_and(|why| why.contains("it is no file")));
    }
}
