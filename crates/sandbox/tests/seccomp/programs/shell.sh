# What people do with coreutils and a POSIX shell; prints `two through`.
set -eu
mkdir -p a/b; echo one > a/f; printf 'b\na\n' | sort | tee a/s > /dev/null
cp -a a c; mv c d; ln -s f a/l; ln a/f a/h; chmod 600 a/f; touch -d 2020-01-01 a/f
mkfifo p; (cat p > got) & echo through > p; wait
find . -type f -print0 | xargs -0 wc -c > /dev/null; ls -la a > /dev/null
stat a/f > /dev/null; df . > /dev/null; du -s . > /dev/null
dd if=/dev/zero of=z bs=1k count=4 2> /dev/null; truncate -s 0 z; split -b 1 a/f
tar cf t.tar a; mkdir x; tar xf t.tar -C x; diff -r a x/a; sed -i s/one/two/ a/f
timeout 5 nice sleep 0.01; (ulimit -n 64); sync; shuf -e 1 2 > /dev/null
date > /dev/null; id > /dev/null; uname -a > /dev/null; nproc > /dev/null; mktemp -p . > /dev/null
install -m 755 a/f installed; env -i /bin/true; setsid -w true; nohup true 2> /dev/null
gzip -c a/f | gunzip > /dev/null; sha256sum a/f > /dev/null; realpath a/l > /dev/null
rm -r x d; echo $(cat a/f got)
