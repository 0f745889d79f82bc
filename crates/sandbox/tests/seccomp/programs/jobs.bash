# Coprocesses, process substitution and job control; prints `hi`, `substituted` and 143.
coproc cat
echo hi >&"${COPROC[1]}"; read -r x <&"${COPROC[0]}"; echo "$x"
cat <(echo substituted)
set -m; sleep 60 & kill %sleep; wait %sleep 2> /dev/null; echo $?
