/*
 * table.h - a table of Markdown, of which columns that are empty in all rows are left out
 */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <ostream>
#include <string>
#include <vector>

namespace bench
{

class Table
{
	std::vector<std::string> head_;
	std::vector<std::vector<std::string>> rows_;

	bool used(size_t column) const
	{
		for (const auto &row : rows_)
			if (!row[column].empty())
				return true;
		return false;
	}
	void write_row(std::ostream &out, const std::vector<std::string> &row) const
	{
		for (size_t i = 0; i < head_.size(); i++)
			if (used(i))
				out << "| " << row[i] << " ";
		out << "|\n";
	}

      public:
	explicit Table(std::vector<std::string> head) : head_(std::move(head))
	{
	}
	void add(std::vector<std::string> row) /* what it lacks at its end is empty */
	{
		row.resize(head_.size());
		rows_.push_back(std::move(row));
	}
	bool empty() const
	{
		return rows_.empty();
	}
	void write(std::ostream &out) const
	{
		write_row(out, head_);
		for (size_t i = 0; i < head_.size(); i++)
			if (used(i))
				out << "|---";
		out << "|\n";
		for (const auto &row : rows_)
			write_row(out, row);
	}
};

} // namespace bench
#endif
