//! The folder where one machine keeps everything: the database, Redis's files, the log.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use transcriber::engines::is_whisper_model;

/// Longest path of a unix socket that every system takes (`sun_path` has 104 bytes on macOS).
const LONGEST_SOCKET_PATH: usize = 100;

/// A data folder, by default `./data`.
#[derive(Debug, Clone)]
pub struct DataFolder {
    path: PathBuf,
}

/// Held as long as a process uses the folder; the system releases it when the process dies.
pub struct FolderLock {
    _file: File,
}

impl DataFolder {
    /// The folder at a path, made if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("cannot make the data folder {}", path.display()))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot read the data folder {}", path.display()))?;
        Ok(Self { path })
    }

    /// Claims the folder for this process.
    ///
    /// # Errors
    /// When another process has it.
    pub fn lock(&self) -> anyhow::Result<FolderLock> {
        let path = self.path.join("callscribe.lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(FolderLock { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another callscribe runs on {}; stop it, or choose another folder with --data",
                self.path.display()
            ),
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the data folder"),
        }
    }

    /// Redis's own folder.
    pub fn redis(&self) -> PathBuf {
        self.path.join("redis")
    }

    /// Redis's socket: in the folder, or under a short name among the temporary files where the
    /// folder's path is too long for a socket.
    pub fn redis_socket(&self) -> PathBuf {
        let socket = self.redis().join("redis.sock");
        if socket.as_os_str().len() <= LONGEST_SOCKET_PATH {
            return socket;
        }
        let digest = Sha256::digest(self.path.as_os_str().as_encoded_bytes());
        let short = hex::encode(&digest[..8]);
        std::env::temp_dir().join(format!("callscribe-{short}.sock"))
    }

    /// The URL of the private Redis.
    pub fn redis_url(&self) -> String {
        format!("redis+unix://{}", self.redis_socket().display())
    }

    /// The URL of the SQLite database.
    pub fn database_url(&self) -> String {
        format!("sqlite://{}", self.path.join("callscribe.db").display())
    }

    /// The log file of a process whose terminal shows something else.
    pub fn log_file(&self) -> PathBuf {
        self.path.join("callscribe.log")
    }

    /// The Whisper model to use: the newest of those in the folder `models`. One that is damaged is
    /// taken all the same, so that the start says what is wrong with it; models of other kinds may
    /// lie beside it.
    pub fn newest_model(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(self.path.join("models")).ok()?;
        let models = entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_model = path.extension().is_some_and(|ending| ending == "bin");
            let changed = path.metadata().ok()?.modified().ok()?;
            is_model.then_some((changed, path))
        });
        let mut models: Vec<_> = models.collect();
        models.sort_unstable_by(|one, other| other.cmp(one));
        models.into_iter().map(|(_, path)| path).find(|path| is_whisper_model(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_serves_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let first = data.lock().unwrap();
        let error = data.lock().err().unwrap().to_string();
        assert!(error.contains("another callscribe runs"), "{error}");
        drop(first);
        data.lock().unwrap();
    }

    #[cfg(feature = "whisper")]
    #[test]
    fn the_whisper_model_that_came_last_is_the_one_to_use() {
        // How files begin: their magic, then sizes, of which the fifth tells Whisper's apart.
        let whisper = [0x6767_6d6c_u32, 51_865, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 1];
        let silero = [0x6767_6d6c_u32, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        assert_eq!(data.newest_model(), None);
        let models = data.path().join("models");
        fs::create_dir(&models).unwrap();
        let hour = std::time::Duration::from_secs(3600);
        let put_as = |head: &[u32], name: &str, hours_ago: u32| {
            let bytes: Vec<u8> = head.iter().flat_map(|number| number.to_le_bytes()).collect();
            fs::write(models.join(name), bytes).unwrap();
            let file = File::options().write(true).open(models.join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - hour * hours_ago).unwrap();
        };
        let put = |name: &str, hours_ago: u32| put_as(&whisper, name, hours_ago);
        put("ggml-small.bin.part", 0);
        assert_eq!(data.newest_model(), None);
        put("ggml-small.bin", 2);
        put("ggml-base.bin", 3);
        put_as(&silero, "ggml-silero.bin", 1);
        assert_eq!(data.newest_model(), Some(models.join("ggml-small.bin")));
    }

    #[test]
    fn a_long_path_gets_a_short_socket() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(120));
        let data = DataFolder::open(&deep).unwrap();
        assert!(data.redis_socket().as_os_str().len() <= LONGEST_SOCKET_PATH);
        assert_eq!(data.redis_socket(), DataFolder::open(&deep).unwrap().redis_socket());
    }
}
