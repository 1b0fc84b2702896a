//! Runs Wrangler.

/// How Wrangler has ended.
pub(super) struct Ended {
    pub is_success: bool,
    /// What it has written to stdout, if it was captured.
    pub output: String,
}

/// Runs Wrangler with arguments. `input` is its standard input, which is the terminal otherwise. With `is_captured`, its output is
/// returned instead of shown. Returns `None` if Wrangler is not installed.
#[cfg(not(target_os = "wasi"))]
pub(super) fn run(arguments: &[&str], input: Option<&str>, is_captured: bool) -> Option<Ended> {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let output = || if is_captured { Stdio::piped() } else { Stdio::inherit() };
    let mut child = Command::new("npx")
        .args(["--no-install", "wrangler"])
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::inherit() })
        .stdout(output())
        .stderr(output())
        .spawn()
        .ok()?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // If Wrangler reads no input, its exit code tells why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let ended = child.wait_with_output().ok()?;
    Some(Ended {
        is_success: ended.status.success(),
        output: String::from_utf8_lossy(&ended.stdout).into_owned(),
    })
}

#[cfg(target_os = "wasi")]
pub(super) fn run(arguments: &[&str], input: Option<&str>, is_captured: bool) -> Option<Ended> {
    use serde_json::{Value, json};

    let request = json!({ "call": "wrangler", "args": arguments, "input": input, "isCaptured": is_captured });
    let ended = crate::cli::node::call(&request);
    let status = ended.get("status").and_then(Value::as_u64)?;
    let output = ended.get("output").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Ended { is_success: status == 0, output })
}
