//! Threads of a service's own.

use std::{io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// A thread with a runtime of its own, until this is dropped: tasks that stay on it wake each other
/// without a system call, and wait for no other thread.
pub struct Worker {
    runtime: Handle,
    /// The thread ends when nobody holds it any more.
    _ends: oneshot::Sender<()>,
}

impl Worker {
    /// Starts a thread that is known to the operating system by this name.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (ends, ended) = oneshot::channel::<()>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // It never says anything but that it is gone.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { runtime: handle, _ends: ends })
    }

    /// Where its tasks are spawned.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
