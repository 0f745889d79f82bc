# A repository from `init` to `gc` and a clone; prints the number of commits.
set -eu
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
git init -q -b main r; cd r; echo one > f; git add f; git commit -q -m first
echo two >> f; git stash -q; git stash pop -q; git commit -q -a -m second
git checkout -q -b side; echo three > g; git add g; git commit -q -m third
git checkout -q main; git merge -q --no-ff -m merged side; git tag v1; git status --short
git diff HEAD~1 | cat > /dev/null; git grep -q two; git blame f > /dev/null; git gc -q
git fsck > /dev/null 2>&1; git archive HEAD | tar t > /dev/null
cd ..; git clone -q r c; git -C c worktree add -q ../w 2> /dev/null; git -C c rev-list --count HEAD
