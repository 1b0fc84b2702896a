// What the wasm leaves to JavaScript.

let count = 0;

/** Counts a new instance of the wasm: the first one, and one after each panic. */
export function instanceStarted() {
  count += 1;
}

/** Returns how many instances of the wasm there have been. */
export function instances() {
  return count;
}
