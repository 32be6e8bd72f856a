/* Stands for a network plugin: writes its file into the directory of the host, and waits. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void leave(int number) {
	(void)number;
	_exit(0);
}

/* FILE TEXT */
int main(int count, char **words) {
	if (count != 3) return 2;
	int file = open(words[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (file < 0) return 1;
	ssize_t length = strlen(words[2]);
	if (write(file, words[2], length) != length || close(file)) return 1;
	signal(SIGTERM, leave);
	for (;;) pause();
}
