# The small tools that scripts are made of, each with something to do; prints what they found.
set -eu
printf '{"a":[1,2,{"b":"c"}]}' > x.json && jq -c '.a[2].b' x.json
sqlite3 data.db 'pragma journal_mode=wal; create table t(a,b); insert into t values(1,"x"),(2,"y"); select sum(a) from t;' | tail -1
mkdir -p tree/deep && for n in 1 2 3; do echo "line $n" > tree/deep/f$n; done
tar czf tree.tgz tree && mkdir out && tar xzf tree.tgz -C out && diff -r tree out/tree && gzip -k x.json && zcat x.json.gz | cmp - x.json
find tree -name 'f*' -newer x.json -print0 | xargs -0 -P 3 -n 1 sed -i 's/line/row/' && cat tree/deep/f* | sort -r | head -1
awk '{ sum += $2 } END { print sum }' tree/deep/f*
grep -rn 'row 2' tree | cut -d: -f3 && echo a b | xargs -n1 echo | paste -sd+ && seq 10 | shuf | sort -n | tail -1
perl -MList::Util=sum -e 'print sum(1..4), "\n"' && printf 'b\na\n' | sort -u | tr '\n' ' ' && echo
xz -k x.json && xz -dc x.json.xz | sha256sum | cut -c1-8 && date -d @0 -u +%Y && timeout 5 sh -c 'echo in time'
mkfifo pipe && (cat pipe & echo through > pipe; wait) && bash -c 'diff <(echo 1) <(echo 1) && echo same'
patch -s tree/deep/f1 <<'P'
--- a
+++ b
@@ -1 +1 @@
-row 1
+patched
P
cat tree/deep/f1
