//! The commands of the command line, with one folder for each command, and the functions that the commands share. The
//! arguments are parsed in `src/bin/edgetoll.rs`.

// `println!` panics if the output is closed: `print_line` does not.
#![deny(clippy::print_stdout)]

pub mod check;
pub mod deploy;
pub mod doctor;
pub mod http;
pub mod init;
pub mod invoice;
pub mod macaroon;
#[cfg(target_os = "wasi")]
mod node;
#[cfg(feature = "fetch")]
pub mod pay;
pub mod secret;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// Enters the folder in which Node was started, which `npm/bin/edgetoll.js` passes as `PWD`: WASI starts in the root folder.
#[cfg(target_os = "wasi")]
pub fn enter_current_folder() {
    // Without the folder, each command says which file it does not find.
    let _ = env::set_current_dir(env::var_os("PWD").unwrap_or_default());
}

/// Returns the named file, or else the first Wrangler file in the current folder; `None` if the folder has no
/// Wrangler file.
fn wrangler_file(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| WRANGLER_FILES.iter().map(PathBuf::from).find(|file| file.exists()))
}

/// Returns a sentence if Wrangler uses a file in a folder above instead of `file`, which is the first Wrangler file in the
/// current folder: Wrangler looks for a name in all folders above before it looks for the next name.
fn overridden(file: &Path) -> Option<String> {
    let folder = env::current_dir().ok()?;
    let names = WRANGLER_FILES.iter().take_while(|name| Path::new(name) != file);
    let mut files = names.flat_map(|name| folder.ancestors().map(move |folder| folder.join(name)));
    let used = files.find(|file| file.is_file())?;
    Some(format!(
        "Wrangler uses {} instead of {1}, because it looks for that name in all folders above first: pass `--config {1}` to \
         Wrangler and `{1}` to edgetoll, or move or rename the other file",
        used.display(),
        file.display()
    ))
}

/// # Errors
/// Returns a message with the file's name.
fn read_text(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

/// Returns the command line for a command of this program, such as `cargo run --bin edgetoll -- doctor` or `npx edgetoll doctor`. It can be run
/// where this program was run. For the running command, it has the same arguments.
fn own_command(name: &str) -> String {
    let mut arguments = env::args();
    let program = arguments.next().unwrap_or_default();
    let is_built_here =
        env::current_exe().is_ok_and(|path| path.components().any(|part| part.as_os_str() == "target"));
    // Cargo sets this variable in the programs that `cargo run` starts.
    let program = match env::var_os("CARGO") {
        _ if cfg!(target_os = "wasi") => "npx edgetoll".to_owned(),
        Some(_) if is_built_here => "cargo run --bin edgetoll --".to_owned(),
        _ => quoted(&program),
    };
    let arguments: Vec<String> = arguments.map(|argument| quoted(&argument)).collect();
    match arguments.first() {
        Some(running) if running == name => format!("{program} {}", arguments.join(" ")),
        _ => format!("{program} {name}"),
    }
}

/// Quotes a word for a shell, if it needs quotes.
fn quoted(word: &str) -> String {
    let is_plain =
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-=+:@%,".contains(&b));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Prints a line.
fn print_line(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// Prints the result of a command, and returns its exit code.
fn print_result(result: impl Display) -> ExitCode {
    match print_line(result) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => could_not_run(&format!("the output cannot be written: {error}")),
    }
}

/// Replaces control characters, which could move the cursor of a terminal.
#[cfg(feature = "fetch")]
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// Prints why the command could not do its work, and returns its exit code.
fn could_not_run(message: &str) -> ExitCode {
    eprintln!("edgetoll: {message}");
    ExitCode::from(2)
}

/// The names of a Wrangler file, in the order in which Wrangler 4 looks for them.
const WRANGLER_FILES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];
