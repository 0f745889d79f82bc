set -eu
curl -sS http://example.com/curl
curl -sS https://example.com/ 2> refusal && exit 1
grep -q 403 refusal && echo "proxy said 403"
git ls-remote http://example.com/x.git
curl -sS --noproxy '*' http://example.com/ 2> refusal || echo "no host"
curl -sS http://example.com/last
