//! The transitions: Lua scripts, each a file in `scripts/`, called by digest.

use redis::Cmd;

/// A script with the digest it is called by.
pub(crate) struct Script {
    pub code: String,
    pub sha: String,
}

impl Script {
    fn new(code: &str) -> Self {
        Self { code: code.to_owned(), sha: redis::Script::new(code).get_hash().to_owned() }
    }

    /// A script that adds entries: the shared part goes behind its `#!` line.
    fn adding(code: &str) -> Self {
        let (flags, rest) = code.split_once('\n').unwrap_or((code, ""));
        Self::new(&format!("{flags}\n{}\n{rest}", include_str!("scripts/add.lua")))
    }
}

/// A call of a script, with its keys and arguments.
pub(crate) struct Call<'a> {
    script: &'a Script,
    command: Cmd,
}

impl<'a> Call<'a> {
    pub fn new(script: &'a Script, keys: &[&str]) -> Self {
        Self::with_capacity(script, keys, 16, 1024)
    }

    /// A call that will have about so many arguments and bytes.
    pub fn with_capacity(
        script: &'a Script,
        keys: &[&str],
        arguments: usize,
        bytes: usize,
    ) -> Self {
        let mut command = Cmd::with_capacity(arguments, bytes);
        command.arg("EVALSHA");
        command.arg(&script.sha).arg(keys.len()).arg(keys);
        Self { script, command }
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.command.arg(text);
        self
    }

    pub fn number(&mut self, number: i64) -> &mut Self {
        self.command.arg(number);
        self
    }

    pub fn count(&mut self, count: usize) -> &mut Self {
        self.command.arg(count);
        self
    }

    pub fn command(&self) -> &Cmd {
        &self.command
    }

    /// The command that makes the script known to a server that lost it.
    pub fn load(&self) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(&self.script.code);
        command
    }
}

/// All scripts of a queue.
pub(crate) struct Scripts {
    pub enqueue: Script,
    pub settle: Script,
    pub heartbeat: Script,
    pub hand_back: Script,
    pub reclaim: Script,
    pub tend: Script,
    pub sweep: Script,
    pub stats: Script,
    pub pause: Script,
    pub redrive: Script,
    pub erase: Script,
    pub end_leases: Script,
    pub group: Script,
}

impl Scripts {
    pub fn new() -> Self {
        Self {
            enqueue: Script::adding(include_str!("scripts/enqueue.lua")),
            settle: Script::adding(include_str!("scripts/settle.lua")),
            heartbeat: Script::new(include_str!("scripts/heartbeat.lua")),
            hand_back: Script::new(include_str!("scripts/hand_back.lua")),
            reclaim: Script::new(include_str!("scripts/reclaim.lua")),
            tend: Script::new(include_str!("scripts/tend.lua")),
            sweep: Script::new(include_str!("scripts/sweep.lua")),
            stats: Script::new(include_str!("scripts/stats.lua")),
            pause: Script::new(include_str!("scripts/pause.lua")),
            group: Script::new(include_str!("scripts/group.lua")),
            redrive: Script::adding(include_str!("scripts/redrive.lua")),
            end_leases: Script::new(include_str!("scripts/end_leases.lua")),
            erase: Script::new(include_str!("scripts/erase.lua")),
        }
    }
}
