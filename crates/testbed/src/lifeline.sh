# Started by each process that uses the testbed, with the reading end of a pipe as standard input. When that process ends,
# however it ends, the pipe closes: then every process group it started is killed and its folder ($1, if any) removed.
trap '' HUP INT QUIT TERM # end with the owner, not with a Ctrl-C meant for it
groups=' '
while read -r sign group; do
    case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
    esac
done
for group in $groups; do
    kill -s KILL -- "-$group"
done
tries=0
while [ -n "$1" ] && [ -e "$1" ] && [ "$tries" -lt 10 ]; do
    rm -rf -- "$1" || sleep 1 # a dying process may still have written
    tries=$((tries + 1))
done
