# Completion of covey(1) for bash: commands, their options (as their --help tells them), regions and groups.

_covey_groups() { # REGION TERMS...
	local region=()
	[[ $1 ]] && region=(-r "$1")
	covey ls "${region[@]}" "${@:2}" 2>/dev/null | awk 'NR > 1 && $1 !~ /\\/ { print $1 }'
}

_covey() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} region='' terms=() i
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$(covey help | awk '/^  [a-z]/ { print $1 }') help" -- "$word")
		return
	fi
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--)
			mapfile -t COMPREPLY < <(if ((i + 1 == COMP_CWORD)); then compgen -c -- "$word"; else compgen -f -- "$word"; fi)
			return
			;;
		-r | --region) region=${COMP_WORDS[i + 1]} ;;
		--foreign | --shared) terms+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case $before in
	-r | --region) mapfile -t COMPREPLY < <(cd /dev/shm 2>/dev/null && compgen -f -- "$word") ;;
	--mode) mapfile -t COMPREPLY < <(compgen -W '600 640 660 666' -- "$word") ;;
	--device | --base) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	*)
		if [[ $word == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(covey "$command" --help 2>/dev/null | grep -oE '^ +(-[a-zA-Z0], )?--?[a-zA-Z0-9-]+' | tr -d ',')" -- "$word")
		elif [[ $command == help ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(covey help | awk '/^  [a-z]/ { print $1 }')" -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(_covey_groups "$region" "${terms[@]}")" -- "$word")
		fi
		;;
	esac
}
complete -F _covey covey
