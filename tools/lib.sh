# lock NAME: waits until nobody else holds it, and holds it until this script ends, however it ends.
# Where there is no flock(1), as on macOS, two runs at once are the user's to avoid.
lock() {
  mkdir -p .tools
  if command -v flock >/dev/null; then
    exec 9>".tools/$1.lock"
    flock -n 9 || { echo "  waiting for another run in this folder …" && flock 9; }
  fi
}

# background COMMAND ...: runs it in a process group of its own, which ends with this script. `wait "$running"` for it.
# Job control stays on for that alone: else Ctrl-C would go to whatever runs in front, and the trap would not run.
running=
background() {
  set -m
  "$@" </dev/null 9>&- &
  running=$!
  set +m
}
trap '[ -n "$running" ] && kill -TERM -- "-$running" 2>/dev/null; exit 130' INT TERM HUP
