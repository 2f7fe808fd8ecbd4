# SPDX-License-Identifier: MIT
# bash completion for server(1). The options are asked of the program itself, so they
# are those of the version that is completed.
# shellcheck shell=bash

_server() {
    local program=$1 current=$2 name='' i
    COMPREPLY=()
    # bash cuts words at '=': --model=pr is "--model", "=", "pr"; or "--model", "pr".
    i=$COMP_CWORD
    if [[ ${COMP_WORDS[i]} == '=' ]]; then
        current=''
    elif [[ $i -gt 1 && ${COMP_WORDS[i - 1]} == '=' ]]; then
        i=$((i - 1))
    fi
    if [[ ${COMP_WORDS[i]} == '=' || $current != -* ]]; then
        name=${COMP_WORDS[i - 1]}
    fi
    case $name in
    --model)
        mapfile -t COMPREPLY < <(compgen -W "$("$program" --list-models 2>/dev/null |
            sed 's/ .*//')" -- "$current")
        ;;
    --dispatch)
        mapfile -t COMPREPLY < <(compgen -W 'request connection' -- "$current")
        ;;
    --pool)
        mapfile -t COMPREPLY < <(compgen -W 'before none' -- "$current")
        ;;
    --accept)
        mapfile -t COMPREPLY < <(compgen -W 'shared lock reuseport' -- "$current")
        ;;
    --gil | --offload | --allow-root | --show-settings | --enable-fault-routes)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$current")
        ;;
    --root)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        ;;
    --config | --access-log | --pid-file)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --user)
        mapfile -t COMPREPLY < <(compgen -u -- "$current")
        ;;
    --group)
        mapfile -t COMPREPLY < <(compgen -g -- "$current")
        ;;
    *)
        # "  --name=METAVAR  help": with the '=' where a value is wanted.
        mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>/dev/null |
            sed -n 's/^  \(--[a-z-]*=\{0,1\}\).*/\1/p')" -- "$current")
        if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
            compopt -o nospace 2>/dev/null
        fi
        ;;
    esac
}

complete -F _server server
