# latlab's completion for bash 4 and later; source it, or put it into
# ~/.local/share/bash-completion/completions/latlab
_latlab() {
	local line="${COMP_LINE:0:COMP_POINT}" cur="" head word
	local -a words
	COMPREPLY=()
	# Not COMP_WORDS: bash cuts names such as sim-pixel1-cpu:phone at the colon.
	read -ra words <<<"$line"
	[[ "$line" == *[[:space:]] ]] && words+=("")
	((${#words[@]} > 1)) || return 0
	cur="${words[-1]}"
	# What bash has cut off already must not be given again.
	head="${cur%"${cur##*[:=]}"}"
	[[ "$COMP_WORDBREAKS" == *:* ]] || head="${head%"${head##*=}"}"
	while IFS=$'\t' read -r word _; do
		[[ -n "$word" ]] && COMPREPLY+=("${word#"$head"}")
	done < <("${1/#\~/$HOME}" completion words -- "${words[@]:1}" 2>/dev/null)
	return 0
}
complete -o default -F _latlab latlab
