/*
 * answer.c - where a compute callback puts its result
 */
#include "answer.h"

#include <string.h>

void covey_answer_drop(struct covey_answer *answer)
{
	if (answer->room != 0)
		covey_room_free(answer->c, answer->room);
	shm_free(answer->owned);
	answer->room = 0;
	answer->owned = NULL;
	answer->data = NULL;
	answer->size = 0;
}

void shm_answer_forget(struct covey_answer *answer)
{
	answer->room = 0;
	covey_answer_drop(answer);
}

static void *own_memory(struct covey_answer *answer, size_t size)
{
	answer->owned = shm_allocate(size); /* aligned to 16 by the C library */
	answer->data = answer->owned;
	answer->size = answer->owned != NULL ? size : 0;
	return answer->data;
}

int covey_answer_copy(struct covey_answer *answer, const void *data, size_t size)
{
	covey_answer_drop(answer);
	if (own_memory(answer, size) == NULL)
		return COVEY_ESYSTEM;
	if (size != 0)
		memcpy(answer->data, data, size);
	return 0;
}

void *covey_answer_room(struct covey_answer *answer, size_t size)
{
	covey_answer_drop(answer);
	if (answer->c == NULL || covey_room(answer->c, answer->lead, answer->request.data, answer->request.size, size,
	                                 &answer->data, &answer->room) != 0) {
		answer->room = 0;
		return own_memory(answer, size);
	}
	answer->size = size;
	return answer->data;
}

void covey_answer_code(struct covey_answer *answer, int32_t code)
{
	answer->code = code;
}

void covey_answer_give_up(struct covey_answer *answer)
{
	answer->given_up = true;
}

uint32_t covey_answer_deaths(const struct covey_answer *answer)
{
	return answer->lead != NULL ? answer->lead->deaths : 0;
}
