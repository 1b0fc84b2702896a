# lock NAME: waits for a lock and holds it until this script exits. Without flock(1), as on macOS, there is no lock: do not run two
# builds at once there.
lock() {
  mkdir -p .tools
  if command -v flock >/dev/null; then
    exec 9>".tools/$1.lock"
    flock -n 9 || { echo "  waiting for another run in this folder …" && flock 9; }
  fi
}

# background COMMAND ...: starts a command in its own process group. A signal that stops this script also stops the process group.
# Use `wait "$running"` to wait for the command.
# (Bash's job control would take the terminal, and so Ctrl-C, away from make.)
running=
background() {
  if command -v setsid >/dev/null; then
    setsid "$@" </dev/null 9>&- &
  else
    perl -e 'setpgrp(0, 0); exec @ARGV' "$@" </dev/null 9>&- &
  fi
  running=$!
}

stop_background() {
  if [ -n "$running" ]; then
    kill -TERM -- "-$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || true
  fi
  exit 130
}
trap stop_background INT TERM HUP

# Prints the flags that keep the names of this machine's folders out of what rustc compiles. Cargo splits these flags at spaces, so a name with
# a space cannot be removed.
remap_flags() {
  local prefix
  for prefix in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/ "$PWD/"; do
    case $prefix in *' '*) ;; *) printf ' --remap-path-prefix=%s=' "$prefix" ;; esac
  done
}
