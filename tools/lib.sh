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
# (Bash's own job control would take the terminal from make, and Ctrl-C with it.)
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
