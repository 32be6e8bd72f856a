/* The first process of every pod: holds the pod's namespaces, reaps orphans, ends when asked. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int number) {
	(void)number;
	_exit(0);
}

static void reap(int number) {
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0) {
	}
}

int main(void) {
	struct sigaction end = {.sa_handler = leave};
	struct sigaction child = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP | SA_RESTART};
	if (sigaction(SIGINT, &end, NULL) || sigaction(SIGTERM, &end, NULL) || sigaction(SIGCHLD, &child, NULL)) {
		return 1;
	}
	for (;;) {
		pause();
	}
}
