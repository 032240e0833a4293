//! What a process that has keys in memory leaves behind when it dies.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sendmail::program;
use crate::world::World;

/// A command that may write a core dump as long as it likes, as far as its parent has a say.
fn unlimited(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    shell
}

/// Commands that send, each waiting for its program with keys, a code and an address in memory.
fn waiting() -> (World, Child) {
    let world = World::with_email();
    // The program says that it runs by opening one pipe, and waits at another.
    for pipe in ["runs", "goes"] {
        nix::unistd::mkfifo(&world.file(pipe), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    program(
        &world,
        "ulimit -c > limit; ulimit -H -c >> limit; echo > runs; read -r _ < goes",
    );
    world.ok("mailbox edit trial --sendmail ./send");
    let run = world
        .run("login start alice --password-file phrase")
        .env("PATH", "/usr/bin:/bin");
    world.write("phrase", "alice-pw\n");
    let child = unlimited(&run.command()).spawn().unwrap();
    // Opened when the program is there, and not before.
    fs::read(world.file("runs")).unwrap();
    (world, child)
}

fn cores(world: &World) -> Vec<String> {
    let names = fs::read_dir(world.path()).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("core"))
        .collect()
}

fn crashed(mut child: Child, signal: Signal) -> ExitStatus {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    child.wait().unwrap()
}

#[expect(
    clippy::print_stderr,
    reason = "what a machine cannot show is said aloud"
)]
#[test]
fn a_crash_writes_no_core_dump() {
    // What would happen to another program: without that, what follows proves little.
    let other = World::empty();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "kill -ABRT $$"])
        .current_dir(other.path());
    let status = unlimited(&command).status().unwrap();
    if !status.core_dumped() {
        eprintln!(
            "this machine writes no core dump of any program ({status}): this test shows nothing here"
        );
    }
    // Rust catches SIGSEGV once, to tell an overflown stack from what kills.
    for signal in [Signal::SIGABRT, Signal::SIGQUIT] {
        let (world, child) = waiting();
        let status = crashed(child, signal);
        assert_eq!(status.signal(), Some(signal as i32));
        assert!(!status.core_dumped(), "{status}");
        assert_eq!(cores(&world), Vec::<String>::new());
        // Its program waits no more.
        let _ = fs::OpenOptions::new()
            .write(true)
            .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
            .open(world.file("goes"));
        // It may raise its limit again, should it want to.
        let limit = fs::read_to_string(world.file("limit")).unwrap();
        assert_eq!(limit, "0\nunlimited\n");
    }
}
