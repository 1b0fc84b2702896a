# lock NAME: waits until nobody else holds it, and holds it until this script ends, however it ends.
# Where there is no flock(1), as on macOS, two runs at once are the user's to avoid.
lock() {
  mkdir -p .tools
  if command -v flock >/dev/null; then
    exec 9>".tools/$1.lock"
    flock 9
  fi
}
