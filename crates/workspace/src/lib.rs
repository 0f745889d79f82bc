//! What a program changed in its workspace, and how that reaches the project: diff, merge, undo.
//!
//! Pure bookkeeping over two open folders. It runs nothing and decides nothing about permission.
