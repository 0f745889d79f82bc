# A project's history made, changed, compared, listed and cloned; prints what came of it.
set -eu
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main . && echo one > f && git add . && git commit -q -m first
echo two >> f && git diff | grep -c '^+two' && git commit -q -a -m second
git log --format=%s && git stash list && git status --short
git checkout -q -b side HEAD~1 && echo x > g && git add g && git commit -q -m third
git rebase -q main && git checkout -q main && git merge -q side
git clone -q . "$HOME/copy"
git -C "$HOME/copy" log --oneline | wc -l && git gc -q && git fsck --strict 2>/dev/null
git worktree add -q "$HOME/tree" side && git submodule status && git archive HEAD | tar t
