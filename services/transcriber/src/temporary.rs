//! Named temporary files, and those that a killed process left behind.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use tempfile::Builder;
use tracing::{debug, info};

/// What their names begin with; nobody else's do.
const PREFIX: &str = "callscribe-audio-";

/// No call is in hand for so long: an older file is nobody's.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// Makes temporary files that are found again when they are left behind.
pub fn builder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX);
    builder
}

/// Removes from a folder what processes that were killed left there. What cannot be removed stays.
pub fn remove_stale(folder: &Path, now: SystemTime) {
    match removed(folder, now) {
        Ok(0) => {}
        Ok(files) => info!(files, folder = %folder.display(), "stale temporary files removed"),
        Err(error) => debug!(%error, folder = %folder.display(), "stale temporary files stay"),
    }
}

fn removed(folder: &Path, now: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)?.flatten() {
        let is_own = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_own && is_stale(&entry, now).unwrap_or(false) && fs::remove_file(entry.path()).is_ok()
        {
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_stale(entry: &fs::DirEntry, now: SystemTime) -> io::Result<bool> {
    let about = entry.metadata()?;
    let age = now.duration_since(about.modified()?).unwrap_or_default();
    Ok(about.is_file() && age > STALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_its_own_that_are_older_than_a_day_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, hours: u64| {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
        };
        make("callscribe-audio-abandoned", 25);
        make("callscribe-audio-in-hand", 23);
        make("callscribe.db", 25);
        make("somebody-else-s", 25);
        fs::create_dir(folder.path().join("callscribe-audio-folder")).unwrap();
        remove_stale(folder.path(), SystemTime::now());
        let left = fs::read_dir(folder.path()).unwrap().flatten();
        let mut left: Vec<_> =
            left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        left.sort();
        let expected = [
            "callscribe-audio-folder",
            "callscribe-audio-in-hand",
            "callscribe.db",
            "somebody-else-s",
        ];
        assert_eq!(left, expected);
        // What a process makes is what another one finds.
        let made = builder().tempfile_in(folder.path()).unwrap();
        remove_stale(folder.path(), SystemTime::now() + 2 * STALE);
        assert!(!made.path().exists());
    }
}
