/**
 * One fault in a value that came from outside: where it is and what to do about it.
 * Validators return issues as data; the edge that received the value turns them into a response.
 */
export interface Issue {
  /** Path from the root of the value, e.g. `stages[2].weight`; empty for the value itself. */
  readonly path: string
  /** What is wrong and what would be right, in one sentence. */
  readonly message: string
}
