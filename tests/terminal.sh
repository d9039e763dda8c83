# terminal.sh - a terminal of tmux's, driven by its keys; to be sourced.  $COVEY_REGION names its server, so that each region
# has one of its own.

terminal_open() { # COLUMNS LINES COMMAND
	LC_ALL=C.UTF-8 tmux -L "$COVEY_REGION" -u new-session -d -x "$1" -y "$2" "$3"
}
terminal_close() { # and wait for its end: a new session would go to the one that ends
	local server
	server=$(tmux -L "$COVEY_REGION" display-message -p '#{pid}' 2>/dev/null) || return 0
	tmux -L "$COVEY_REGION" kill-server 2>/dev/null || true
	while kill -0 "$server" 2>/dev/null; do sleep 0.01; done
}
resize() { tmux -L "$COVEY_REGION" resize-window -x "$1" -y "$2"; }
screen() { tmux -L "$COVEY_REGION" capture-pane -p; }
shows() { [[ $(screen) == *"$1"* ]]; }
hides() { ! shows "$1"; }
keys() { tmux -L "$COVEY_REGION" send-keys "$@"; }
